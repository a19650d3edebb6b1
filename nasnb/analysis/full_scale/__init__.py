"""Complete searches and trainings that others published, read side by side (chapter 08).

The tables lie in `figures/08-full-scale`, made by the script there; `tables` reads them, `searches` and `networks` say
what is computed from them.
"""
