"""Adapters to object stores: what the gateway, agents and drivers use to read and write bytes."""
