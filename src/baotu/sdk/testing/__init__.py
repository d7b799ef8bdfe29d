"""The test kit for authors: feed an app, check a driver, without a plant. Public and versioned."""
