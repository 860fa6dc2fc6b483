# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY pyproject.toml README.md requirements.lock ./
COPY protos protos
COPY compiled compiled
COPY proxy proxy
RUN python -m venv /opt/vecferry \
 && VECFERRY_COMPILE=1 /opt/vecferry/bin/pip install --no-cache-dir --constraint requirements.lock . \
 && /opt/vecferry/bin/pip uninstall --yes pip setuptools \
 && /opt/vecferry/bin/vecferry --version | grep compiled \
 && find /opt/vecferry -name __pycache__ -prune -exec rm -rf {} +

FROM python:3.11-slim
COPY --from=build /opt/vecferry /opt/vecferry
RUN useradd --uid 10001 --create-home --home-dir /var/lib/vecferry vecferry
USER 10001
WORKDIR /var/lib/vecferry
VOLUME /var/lib/vecferry
ENV PATH=/opt/vecferry/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 29530 9900
ENTRYPOINT ["vecferry"]
CMD ["run", "--config", "/etc/vecferry/config/vecferry.yaml"]
