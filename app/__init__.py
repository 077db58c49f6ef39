"""The service: a page and a REST API.

Imports inside this package are relative, because a wheel holds it as ``sge._app``.
"""
