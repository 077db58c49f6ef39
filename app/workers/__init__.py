"""Decoding and drawing in processes that can be ended: no image stops the service, whatever is in it.

The service imports ``pool`` and ``errors``; a worker process imports ``tasks``, and must import neither the web framework
nor torch. So nothing is imported here.
"""
