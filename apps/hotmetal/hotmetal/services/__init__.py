"""
The three services of HotMetal: the writer, the scout and the publisher.

Each is a process of its own. What they know of the data is the generated client in
`hotmetal.clients`; the schema and the domain functions they never import.
"""
