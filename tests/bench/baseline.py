"""A bare OIP coordinator to be measured against: asks every worker, request by request, and averages.

`python -m tests.bench.baseline --listen HOST:PORT MEMBER=HOST:PORT ...` prints its address once it serves.
It shares no code with the gateway: what a careful engineer writes in an afternoon with grpc.aio.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

import grpc
import numpy as np
import uvloop

from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc


class Worker:
    """One member's stub, and the tensors it reads."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.stub = rpc.GRPCInferenceServiceStub(grpc.aio.insecure_channel(address))
        self.inputs: frozenset[str] = frozenset()

    async def learn_inputs(self) -> None:
        metadata = await self.stub.ModelMetadata(pb.ModelMetadataRequest(name=self.name))
        self.inputs = frozenset(tensor.name for tensor in metadata.inputs)

    async def infer(self, request: pb.ModelInferRequest) -> np.ndarray:
        mine = [index for index, tensor in enumerate(request.inputs) if tensor.name in self.inputs]
        response = await self.stub.ModelInfer(
            pb.ModelInferRequest(
                model_name=self.name,
                inputs=[request.inputs[index] for index in mine],
                raw_input_contents=[request.raw_input_contents[index] for index in mine],
            )
        )
        names = [output.name for output in response.outputs]
        index = names.index("probabilities")
        return np.frombuffer(response.raw_output_contents[index], np.float32).reshape(response.outputs[index].shape)


class Averager(rpc.GRPCInferenceServiceServicer):
    """Answers with the mean of what the workers say."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    async def ModelInfer(  # noqa: N802 - the protocol's name
        self, request: pb.ModelInferRequest, context: grpc.aio.ServicerContext
    ) -> pb.ModelInferResponse:
        outputs = await asyncio.gather(*(worker.infer(request) for worker in self._workers))
        mean = np.mean(outputs, axis=0, dtype=np.float32)
        return pb.ModelInferResponse(
            model_name=request.model_name,
            id=request.id,
            outputs=[pb.ModelInferResponse.InferOutputTensor(name="probabilities", datatype="FP32", shape=mean.shape)],
            raw_output_contents=[mean.tobytes()],
        )


async def serve(listen: str, members: Sequence[str]) -> None:
    workers = [Worker(*member.split("=", 1)) for member in members]
    await asyncio.gather(*(worker.learn_inputs() for worker in workers))
    server = grpc.aio.server()
    rpc.add_GRPCInferenceServiceServicer_to_server(Averager(workers), server)
    port = server.add_insecure_port(listen)
    await server.start()
    print(f"{listen.rsplit(':', 1)[0]}:{port}", flush=True)
    await server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("members", nargs="+")
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.listen, arguments.members))


if __name__ == "__main__":
    main()
