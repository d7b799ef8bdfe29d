"""The tamper-evident audit: a transparency log over the records that the chain of the kernel wrote."""
