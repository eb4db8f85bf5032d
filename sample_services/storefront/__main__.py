"""Be the storefront service: `python -m sample_services.storefront --settings FILE`."""

from sample_services.storefront.application import main

if __name__ == "__main__":
    main()
