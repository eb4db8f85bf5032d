"""Be the monolith: `python -m sample_services.monolith --settings FILE`."""

from sample_services.monolith.application import COMPONENT

if __name__ == "__main__":
    COMPONENT.run()
