"""A stand-in for Alibaba Cloud's DNS API, Alidns 2015-01-09: README.md says what of it is real."""
