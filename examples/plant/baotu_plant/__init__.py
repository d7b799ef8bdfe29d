"""The demo plant: a small factory whose controllers speak real protocols on loopback."""
