# syntax=docker/dockerfile:1

# Node runs the TypeScript as it is: only the console for browsers is built.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The Node that comes along as a package is for machines without one.
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/node node_modules/.bin/node

FROM node:24-bookworm-slim AS console
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json ./
RUN npm ci --ignore-scripts
COPY scripts/build-console.ts scripts/licenses.ts ./scripts/
COPY clients/typescript/src ./clients/typescript/src
COPY console ./console
RUN node scripts/build-console.ts

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    PEERGATE_DATA_DIR=/data \
    PEERGATE_HTTP_HOST=0.0.0.0
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY --from=console /app/dist/console ./dist/console
COPY prisma ./prisma
COPY src ./src
# `peergate follow` and others use these.
COPY clients/typescript/src ./clients/typescript/src
COPY --from=console /app/console/metrics.ts /app/console/words.ts ./console/
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# HTTP, links of other peers, with libp2p QUIC and WebSocket, and with WebRTC the STUN server.
EXPOSE 7070/tcp 7071/tcp 7071/udp 7072/tcp 7073/udp
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7070/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
