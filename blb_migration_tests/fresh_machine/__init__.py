"""The two commands of the README on a machine that nobody has touched, run by ``.ci/fresh-machine``.

``debian_root`` makes the machine: the smallest Debian with python3, git and ca-certificates, in a folder.
``runs`` is what is run there and on this machine's own Pythons. Nothing here is a pytest test: it needs root,
Debian and minutes. Standard library only, since it must not need what it is about to install.
"""
