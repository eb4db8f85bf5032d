"""Profiles: who the shop's people are. One domain with two faces, SOAP 1.1 and REST.

The problem: many companies own a SOAP service that clients still need while new clients want REST, and two
separate implementations drift apart. The rule: `operations` decides and `store` keeps, once; `soap` and `rest`
only translate. Read in this order: model, access, store, operations, then a face.
"""
