"""Be the reports service: `python -m sample_services.reports --settings FILE`."""

from sample_services.reports.application import COMPONENT

if __name__ == "__main__":
    COMPONENT.run()
