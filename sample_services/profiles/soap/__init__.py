"""The SOAP 1.1 face (https://www.w3.org/TR/2000/NOTE-SOAP-20000508/), document/literal.

A request passes `endpoint` → `parsing` (hostile XML stops here) → `envelope` → `messages` → the domain, and
comes back the same way; `contract` holds the WSDL and the schema that both sides are checked against.
"""
