"""A judged run in the formats of other tools. Writes what was found and judges nothing anew but causes."""
