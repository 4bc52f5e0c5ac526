"""Checks of servers from outside: processes, sockets and log files, nothing of their code."""
