from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "yejibao.demo"
    label = "demo"
