"""Be the orders service: `python -m sample_services.orders --settings FILE`."""

from sample_services.orders.application import COMPONENT

if __name__ == "__main__":
    COMPONENT.run()
