"""Password hashing with OWASP's minimum of memory and passes; Django's own parameters cost six times the CPU."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    time_cost = 2
    memory_cost = 19456
    parallelism = 1
