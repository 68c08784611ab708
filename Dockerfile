# The chat in a container: docs/hosting.md says how to run it.
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 GRADIO_ANALYTICS_ENABLED=False
WORKDIR /opt/cited-qa

# From PyTorch's own index, whose build is for the processor alone: several gigabytes less.
RUN pip install --no-deps --index-url https://download.pytorch.org/whl/cpu torch==2.13.0

COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY qa ./qa
COPY eval ./eval
RUN pip install -c constraints.txt ".[mcp,otel,postgres]"

RUN useradd --uid 1000 --create-home qa && mkdir /library && chown qa:qa /library
USER qa
WORKDIR /home/qa
VOLUME /library

# Within the container only; which addresses of the machine lead here is for `docker run -p` to say.
ENV QA_LIBRARY=/library QA_HOST=0.0.0.0 QA_PORT=7860
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/readyz', timeout=8)"]

CMD ["qa", "chat"]
