"""What the generated test carries with it: below its marker, each module here is copied as it is.

Nothing but Django may be imported above the markers.
"""
