"""The provider that people write from the API page: correct on a good day, and nothing shared.

The provider stands in the program, so its code is pickled into every resource. Each verb makes its
own client of the typed SDK, and each read lists the whole account.
"""

import os
from typing import Any

import pulumi
from alibabacloud_cloud_siem20220616 import models
from alibabacloud_cloud_siem20220616.client import Client
from alibabacloud_tea_openapi.models import Config
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

REGION = "cn-hangzhou"


class DeliveryProvider(ResourceProvider):
    """One call for each verb, and a client for each call."""

    def client(self) -> Any:
        return Client(
            Config(
                access_key_id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
                access_key_secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
                endpoint=os.environ["NAIVE_ENDPOINT"],
                protocol="http",
            )
        )

    def switch(self, props: dict[str, Any], state: str) -> None:
        names = {"product_code": props["product"], "log_code": props["log"], "region_id": REGION}
        if state == "open":
            self.client().open_delivery(models.OpenDeliveryRequest(**names))
        else:
            self.client().close_delivery(models.CloseDeliveryRequest(**names))

    def status(self, props: dict[str, Any]) -> str:
        answer = self.client().list_delivery(models.ListDeliveryRequest(region_id=REGION))
        for product in answer.body.data.product_list:
            groups = [product.log_list or [], *(product.log_map or {}).values()]
            for log in (each for group in groups for each in group):
                if (product.product_code, log.log_code) == (props["product"], props["log"]):
                    return "open" if log.status else "closed"
        return "gone"

    def create(self, props: dict[str, Any]) -> CreateResult:
        self.switch(props, props["state"])
        return CreateResult(f"{props['product']}/{props['log']}", props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=_olds["state"] != _news["state"])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        self.switch(_news, _news["state"])
        return UpdateResult(_news)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        outs = {**props, "state": self.status(props)}
        inputs = {name: outs[name] for name in ("product", "log", "state")}
        return ReadResult(id_, outs, inputs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        self.switch(_props, "closed")


class Delivery(Resource):
    """One log delivery."""

    def __init__(self, name: str, product: str, log: str, state: str) -> None:
        super().__init__(DeliveryProvider(), name, {"product": product, "log": log, "state": state})


deliveries: dict[str, dict[str, str]] = pulumi.Config("cloud-siem").require_object("deliveries")
for product_code, logs in deliveries.items():
    for log_code, declared in logs.items():
        Delivery(f"{product_code}/{log_code}", product_code, log_code, declared)
