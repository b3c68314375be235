# A server or a page on the CPU:
#   docker build -t text2face .
#   docker run --rm -p 8000:8000 text2face
#   docker run --rm -p 7860:7860 text2face ui --host 0.0.0.0
FROM python:3.11-slim

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
# From PyTorch's own index, because that of PyPI brings several GB of CUDA along.
RUN pip install --no-cache-dir -c constraints.txt \
        --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 \
    && pip install --no-cache-dir -c constraints.txt ".[ui,c2pa]" \
    && useradd --create-home --uid 1000 text2face

USER 1000
WORKDIR /home/text2face
EXPOSE 8000 7860
# The server or the page, whichever runs.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-m", "text2face.serving.health", "8000", "7860"]
ENTRYPOINT ["text2face"]
CMD ["serve", "--host", "0.0.0.0"]
