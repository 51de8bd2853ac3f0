"""The platform's names in a zone at Alibaba Cloud."""
