"""`python -m sample_services.storefront`: see `sample_services.kit.service.run` for its settings."""

from sample_services.storefront.application import main

main()
