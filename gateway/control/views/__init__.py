"""The admin API's views, one file per topic; each has a `routes(plane, …)` that lists its addresses."""
