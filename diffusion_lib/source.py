"""The library's own text, shown in a notebook."""

import inspect


def show_source(obj):
    """The source of a class or function as highlighted Python, for the last line of a cell.

    Markdown, because GitHub and JupyterLab both highlight it. Raises TypeError for an object that
    has no Python source, such as a number or a built-in.
    """
    from IPython.display import Markdown  # only notebooks need it

    return Markdown(f"```python\n{inspect.getsource(obj).rstrip()}\n```")
