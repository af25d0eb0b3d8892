"""The pipeline as a file for another orchestrator: Apache Airflow, Kubeflow Pipelines."""
