"""The service: a page and a REST API over one lens."""
