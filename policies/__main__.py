"""The policy pack, as the engine starts it."""

from cloud_siem_policies import pack

pack.serve()
