# syntax=docker/dockerfile:1
#
# The servers of compose.yaml from one image: SeaweedFS, Hive Metastore, Spark Connect and Spark's Thrift server, from
# the same pinned packages and jars as `make services`. Built from the repository's root:
#
#   docker build --file deploy/containers/services.Dockerfile --tag entrega-services .

FROM maven:3.9.9-eclipse-temurin-17 AS jars
COPY services/pom.xml /pom.xml
RUN --mount=type=cache,target=/var/cache/maven \
    mvn --quiet --batch-mode -Dmaven.repo.local=/var/cache/maven --file /pom.xml -DincludeScope=runtime -DoutputDirectory=/jars \
    dependency:copy-dependencies


FROM python:3.11.11-slim-bookworm AS services
# ps is what Spark's scripts call; the rest is Java.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless procps \
    && rm -rf /var/lib/apt/lists/*
COPY services/requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt \
    && rm /tmp/requirements.txt \
    && ln -s "$(python -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)')" /opt/spark \
    && useradd --uid 10001 --user-group --create-home entrega \
    && install --directory --owner entrega --group entrega /data
COPY --from=jars /jars /opt/entrega/jars
COPY deploy/containers/conf /opt/entrega/conf
COPY deploy/containers/conf-metastore /opt/entrega/conf-metastore
COPY --chmod=755 deploy/containers/serve.sh /usr/local/bin/serve
ENV SPARK_HOME=/opt/spark \
    SPARK_CONF_DIR=/opt/entrega/conf \
    HADOOP_CONF_DIR=/opt/entrega/conf
USER 10001:10001
WORKDIR /data
VOLUME /data
# Each service of compose.yaml is another server of this image, and has its own health check there.
HEALTHCHECK NONE
ENTRYPOINT ["serve"]
LABEL org.opencontainers.image.title="Entrega services" \
      org.opencontainers.image.description="S3, Hive Metastore, Spark Connect and JDBC, to try Entrega with" \
      org.opencontainers.image.licenses="Apache-2.0"
