"""A loop of SDK calls, as in a shell script: one after the other, without an engine.

    sdk_loop.py open|closed PRODUCT/LOG ...

Lists once, and switches what is not as wanted. The endpoint and the keys come from the environment.
"""

import os
import sys

from alibabacloud_cloud_siem20220616 import models
from alibabacloud_cloud_siem20220616.client import Client
from alibabacloud_tea_openapi.models import Config

REGION = "cn-hangzhou"


def main(wanted: str, names: list[str]) -> None:
    client = Client(
        Config(
            access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            endpoint=os.environ["NAIVE_ENDPOINT"],
            protocol="http",
        )
    )
    answer = client.list_delivery(models.ListDeliveryRequest(region_id=REGION))
    is_open = {
        f"{product.product_code}/{log.log_code}": log.status
        for product in answer.body.data.product_list
        for group in [product.log_list or [], *(product.log_map or {}).values()]
        for log in group
    }
    for name in names:
        if is_open[name] is not (wanted == "open"):
            product, _, log = name.partition("/")
            fields = {"product_code": product, "log_code": log, "region_id": REGION}
            if wanted == "open":
                client.open_delivery(models.OpenDeliveryRequest(**fields))
            else:
                client.close_delivery(models.CloseDeliveryRequest(**fields))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
