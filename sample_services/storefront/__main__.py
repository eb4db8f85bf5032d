"""Be the storefront service: `python -m sample_services.storefront --settings FILE`."""

from sample_services.storefront.application import COMPONENT

if __name__ == "__main__":
    COMPONENT.run()
