"""Generated clients of linkie_claw."""
