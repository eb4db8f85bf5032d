"""Be the profiles service: `python -m sample_services.profiles --settings FILE`."""

from sample_services.profiles.application import COMPONENT

if __name__ == "__main__":
    COMPONENT.run()
