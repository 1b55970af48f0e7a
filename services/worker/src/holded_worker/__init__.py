"""The Beam worker: bronze events become silver events or dead letters, each exactly once."""
