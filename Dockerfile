# One image for all parts of Footfall: `docker run footfall receiver`, `docker run footfall processor`, and so on.
# It holds no server: FOOTFALL_REDIS_URL says where one is. compose.yaml runs everything together.

FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /app
# what changes seldom first: the layer with the dependencies is made anew only when these do
COPY requirements.lock ./
RUN /app/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /app/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .
# what only the building needs
RUN /app/bin/python -m pip uninstall --yes --quiet hatchling editables pip

FROM python:3.13-slim
COPY --from=build /app /app
# services need no home and write nothing but to /tmp (counts of several workers)
USER 10001:10001
WORKDIR /tmp
# in a container, 127.0.0.1 is reached by nobody else
ENV FOOTFALL_HOST=0.0.0.0 FOOTFALL_LOG_FORMAT=json PYTHONUNBUFFERED=1
ENTRYPOINT ["/app/bin/footfall"]
CMD ["--help"]
