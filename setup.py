"""Packaging of Darsena: `pip install -e .` gives the `darsena` command (the lock file is `requirements.lock`)."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGES = ("pipelines", "components", "trainer_modules", "schemas", "serving", "reporting")


def requirements() -> list[str]:
    """The run-time part of requirements.in: its lines up to the `# Development` heading, comments dropped."""
    runtime = Path(__file__).with_name("requirements.in").read_text().split("# Development")[0]
    lines = (line.split("#")[0].strip() for line in runtime.splitlines())
    return [line for line in lines if line]


setup(
    name="darsena",
    version="0.1.0",
    description="TensorFlow models from raw data to a served, blessed, versioned release: one TFX pipeline per model",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    install_requires=requirements(),
    packages=find_packages(include=[f"{name}{sub}" for name in PACKAGES for sub in ("", ".*")]),
    include_package_data=True,
    package_data={
        "pipelines.common.engines": ["pom.xml", "jars.lock"],
        "pipelines.common.scaffold": ["templates/*"],
        "pipelines.common.tfjs": ["runtime/*"],
        "pipelines.common.web": ["runtime/*", "site/*", "site/js/*"],
        "reporting": ["templates/*"],
        "serving": ["openapi.yaml"],
        "serving.deployment": ["templates/*"],
        "schemas": ["*/*.pbtxt"],
    },
    entry_points={"console_scripts": ["darsena = pipelines.common.cli:main"]},
)
