"""Files: component folders, the hub and downloads."""
