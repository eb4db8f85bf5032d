"""Coverage-guided fuzzing of the data plane, and the network in memory that it and the tests run on."""
