"""What tests of every folder may use: pytest's own tool for testing plugins, and the fixtures of ours.

Named here because an editable installation may be older than the plugin's entry point; where it is not,
pytest knows the plugin already by the same name.
"""

pytest_plugins = ["pytester", "simulators.pytest_plugin"]
