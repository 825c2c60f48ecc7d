# Whether and how the CUDA kernels are built: sets MUNET_WITH_CUDA (ON or OFF) and, if ON, adds the
# sources to munet_engine. AUTO asks for a card on this machine, not only for nvcc: without one the
# kernels would cost minutes of compiling for nothing. The preset `cuda` sets ON.
set(MUNET_WITH_CUDA OFF)
set(munet_cuda_hints $ENV{CUDA_PATH} $ENV{CUDA_HOME} /usr/local/cuda)
find_program(MUNET_NVCC nvcc HINTS ${munet_cuda_hints} PATH_SUFFIXES bin)
mark_as_advanced(MUNET_NVCC)
if(MUNET_CUDA STREQUAL "AUTO")
  if(MUNET_NVCC)
    execute_process(COMMAND nvidia-smi -L RESULT_VARIABLE no_card OUTPUT_QUIET ERROR_QUIET)
    if(no_card)
      message(STATUS "Without CUDA: no card on this machine (MUNET_CUDA=ON builds it all the same)")
    else()
      set(MUNET_WITH_CUDA ON)
    endif()
  endif()
elseif(MUNET_CUDA)
  if(NOT MUNET_NVCC)
    message(FATAL_ERROR "MUNET_CUDA=ON needs nvcc (12.4 or later) on the PATH or in CUDA_PATH")
  endif()
  set(MUNET_WITH_CUDA ON)
endif()

if(NOT MUNET_WITH_CUDA)
  target_sources(munet_engine PRIVATE ops_cuda/no_cuda.cpp)
  return()
endif()

if(NOT CMAKE_CUDA_ARCHITECTURES)
  # Turing, A100, Ampere's and Ada's cards, Hopper; later ones from Hopper's PTX.
  set(CMAKE_CUDA_ARCHITECTURES "75-real;80-real;86-real;89-real;90" CACHE STRING
    "Compute capabilities to build for" FORCE)
endif()
if(NOT CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER ${MUNET_NVCC})
endif()
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 knows nvcc up to C++17 only
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
endif()
find_package(CUDAToolkit REQUIRED)
target_sources(munet_engine PRIVATE ops_cuda/backend.cu
  ops_cuda/attention.cu ops_cuda/conv.cu ops_cuda/conv_cudnn.cu ops_cuda/correlation.cu
  ops_cuda/elementwise.cu
  ops_cuda/losses.cu ops_cuda/matmul.cu ops_cuda/norm.cu ops_cuda/pool.cu ops_cuda/reduce.cu
  ops_cuda/shape.cu ops_cuda/softmax.cu ops_cuda/transfer.cu ops_cuda/update.cu ops_cuda/upsample.cu)
# The target is older than the list.
set_target_properties(munet_engine PROPERTIES CUDA_ARCHITECTURES "${CMAKE_CUDA_ARCHITECTURES}")
string(REPLACE ";" "," architectures "${CMAKE_CUDA_ARCHITECTURES}")
set_source_files_properties(ops_cuda/backend.cu PROPERTIES COMPILE_DEFINITIONS
  MUNET_CUDA_ARCHITECTURES="${architectures}")
target_compile_options(munet_engine PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:
  --expt-relaxed-constexpr -lineinfo -Xcompiler=-Wall,-Wextra>)
if(MUNET_WERROR)
  target_compile_options(munet_engine PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-Werror>)
endif()

# The libraries of a toolkit, or of the Python packages nvidia-cublas and nvidia-cudnn: those have
# no unversioned names.
find_library(MUNET_CUBLASLT NAMES cublasLt libcublasLt.so.13 libcublasLt.so.12
  HINTS ${CUDAToolkit_LIBRARY_DIR} ${MUNET_CUDA_LIBRARIES} PATH_SUFFIXES lib lib64)
find_path(MUNET_CUBLASLT_INCLUDE cublasLt.h
  HINTS ${CUDAToolkit_INCLUDE_DIRS} ${MUNET_CUDA_LIBRARIES} PATH_SUFFIXES include)
if(NOT MUNET_CUBLASLT OR NOT MUNET_CUBLASLT_INCLUDE)
  message(FATAL_ERROR "MUNET_CUDA needs cuBLASLt (name its folder by -DMUNET_CUDA_LIBRARIES=...)")
endif()
target_include_directories(munet_engine SYSTEM PRIVATE ${MUNET_CUBLASLT_INCLUDE})
target_link_libraries(munet_engine PRIVATE ${MUNET_CUBLASLT} CUDA::cudart_static)
if(MUNET_CUDNN)
  find_library(MUNET_CUDNN_LIBRARY NAMES cudnn libcudnn.so.9
    HINTS ${CUDAToolkit_LIBRARY_DIR} ${MUNET_CUDA_LIBRARIES} PATH_SUFFIXES lib lib64)
  find_path(MUNET_CUDNN_INCLUDE cudnn.h
    HINTS ${CUDAToolkit_INCLUDE_DIRS} ${MUNET_CUDA_LIBRARIES} PATH_SUFFIXES include)
endif()
if(MUNET_CUDNN AND MUNET_CUDNN_LIBRARY AND MUNET_CUDNN_INCLUDE)
  target_compile_definitions(munet_engine PRIVATE MUNET_CUDNN)
  target_include_directories(munet_engine SYSTEM PRIVATE ${MUNET_CUDNN_INCLUDE})
  target_link_libraries(munet_engine PRIVATE ${MUNET_CUDNN_LIBRARY})
  set(with_cudnn "cuDNN ${MUNET_CUDNN_LIBRARY}")
else()
  set(with_cudnn "no cuDNN: convolutions by our own kernels")
endif()
message(STATUS "With CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${architectures}, ${with_cudnn}")
