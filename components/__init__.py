"""TFX components that TFX lacks. Each folder holds component.py (the interface) and executor.py (the work)."""
