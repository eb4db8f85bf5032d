"""What every service of the shop needs and none should write twice.

The problem: five services that each parse settings, open a database, verify tokens and report errors in their
own way are five places to get it wrong. The rule: the kit owns how a service runs and talks, and knows nothing
about what it does. Modules are imported when used: a service without Redis does not pay for Redis.
"""
