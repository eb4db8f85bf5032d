"""Identities for services, and what guards them: the certificate authority, enrolment, isolation."""
