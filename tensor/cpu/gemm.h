// gemm
#pragma once
