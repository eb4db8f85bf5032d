"""Be the recommendations service: `python -m sample_services.recommendations --settings FILE`."""

from sample_services.recommendations.application import COMPONENT

if __name__ == "__main__":
    COMPONENT.run()
