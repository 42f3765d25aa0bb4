"""Generated clients of hotmetal."""
