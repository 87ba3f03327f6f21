"""Azure resources and search objects: what the app needs around it."""
