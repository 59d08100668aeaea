"""What the generated test carries with it: each module here, from its marker on, as it is.

Names at their top level begin with what no application is likely to call a thing of its own.
"""
