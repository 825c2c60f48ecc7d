# The libraries that other programs link, how they find them (CMake, pkg-config), and Debian
# packages. Components: library, development, program, weights.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(munet_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/munet)

if(MUNET_SHARED)
  # The same objects go into both libraries.
  set_target_properties(munet_engine munet PROPERTIES POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  add_library(munet_shared SHARED $<TARGET_OBJECTS:munet>)
  target_link_libraries(munet_shared PRIVATE munet_engine)
  target_link_options(munet_shared PRIVATE LINKER:--version-script=${CMAKE_CURRENT_LIST_DIR}/munet.map
    LINKER:--no-undefined LINKER:--gc-sections LINKER:--exclude-libs,ALL)
  set_target_properties(munet_shared PROPERTIES OUTPUT_NAME munet EXPORT_NAME shared
    VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/munet.map)
  target_include_directories(munet_shared INTERFACE $<INSTALL_INTERFACE:include>)
  target_compile_features(munet_shared INTERFACE cxx_std_17)
  install(TARGETS munet_shared EXPORT munet
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
    NAMELINK_COMPONENT development)
endif()

# With CUDA the archive would need the toolkit's libraries by their paths on this machine: then only
# the shared library, which has them inside or by name, is installed.
if(NOT MUNET_WITH_CUDA)
  add_library(munet_static STATIC $<TARGET_OBJECTS:munet> $<TARGET_OBJECTS:munet_engine>)
  set_target_properties(munet_static PROPERTIES OUTPUT_NAME munet EXPORT_NAME static
    ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/static)
  target_link_libraries(munet_static INTERFACE Threads::Threads)
  target_include_directories(munet_static INTERFACE $<INSTALL_INTERFACE:include>)
  target_compile_features(munet_static INTERFACE cxx_std_17)

  # For those who train: the archive again, with the engine's headers.
  add_library(munet_engine_interface INTERFACE)
  set_target_properties(munet_engine_interface PROPERTIES EXPORT_NAME engine)
  target_link_libraries(munet_engine_interface INTERFACE munet_static)
  target_include_directories(munet_engine_interface INTERFACE $<INSTALL_INTERFACE:include/munet>)
  target_compile_features(munet_engine_interface INTERFACE cxx_std_20)
  install(TARGETS munet_static munet_engine_interface EXPORT munet
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  install(DIRECTORY tensor autograd nn DESTINATION include/munet COMPONENT development
    FILES_MATCHING PATTERN "*.h" PATTERN "tensor/cpu" EXCLUDE)
endif()

# Component `video`: pictures, masks and video files, with the libraries that read them.
function(install_munet_video)
  if(MUNET_WITH_CUDA OR NOT FFMPEG_FOUND)
    return()
  endif()
  add_library(munet_video STATIC $<TARGET_OBJECTS:munet_data>)
  set_target_properties(munet_video PROPERTIES EXPORT_NAME video)
  target_include_directories(munet_video INTERFACE $<INSTALL_INTERFACE:include/munet>)
  target_compile_features(munet_video INTERFACE cxx_std_17)
  target_link_libraries(munet_video INTERFACE munet_static JPEG::JPEG PNG::PNG PkgConfig::FFMPEG)
  install(TARGETS munet_video EXPORT munet-video
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  install(EXPORT munet-video NAMESPACE munet:: FILE munet-video-targets.cmake
    DESTINATION ${munet_cmake_dir} COMPONENT development)
  install(FILES data/image.h data/mask.h data/video.h DESTINATION include/munet/data
    COMPONENT development)
endfunction()

install(FILES munet/munet.h munet/segmenter.h DESTINATION include/munet COMPONENT development)
install(EXPORT munet NAMESPACE munet:: FILE munet-targets.cmake DESTINATION ${munet_cmake_dir}
  COMPONENT development)
configure_package_config_file(munet/munet-config.cmake.in munet-config.cmake
  INSTALL_DESTINATION ${munet_cmake_dir})
write_basic_package_version_file(munet-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/munet-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/munet-config-version.cmake
  DESTINATION ${munet_cmake_dir} COMPONENT development)

# Relocatable: the prefix is found from where the file lies.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pkgconfig_to_prefix /prefix/${pkgconfig_dir} /prefix)
string(REGEX REPLACE "/$" "" pkgconfig_to_prefix ${pkgconfig_to_prefix})
configure_file(munet/munet.pc.in munet.pc @ONLY)
configure_file(munet/munet-engine.pc.in munet-engine.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/munet.pc ${CMAKE_CURRENT_BINARY_DIR}/munet-engine.pc
  DESTINATION ${pkgconfig_dir} COMPONENT development)

install(FILES munet/weights/munet18.safetensors munet/weights/MODEL_CARD.md
  munet/weights/failures.jpg
  DESTINATION share/munet COMPONENT weights)
install(FILES munet/weights/MODEL_CARD.md DESTINATION share/doc/munet-weights RENAME copyright
  COMPONENT weights)
foreach(pair library=libmunet development=libmunet-dev program=munet)
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 package)
  install(FILES LICENSE DESTINATION share/doc/${package} RENAME copyright COMPONENT ${component})
endforeach()

# cpack -G DEB: four packages.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME munet)
set(CPACK_PACKAGE_CONTACT "munet <munet@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL library development program weights)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libmunet)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "video object segmentation: shared library
 Push the frames of a video and the mask of its first one, get all masks. C and C++.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libmunet-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libmunet (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "munet-weights, pkg-config, libjpeg-dev, libpng-dev, libavformat-dev, libavcodec-dev, libswscale-dev, libavutil-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "video object segmentation: headers and static library
 For programs that use libmunet, and for those that train with its engine.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME munet)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION video)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "munet-weights")
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "video object segmentation: the program
 Segments videos, makes masks and films, evaluates, trains.")
set(CPACK_DEBIAN_WEIGHTS_PACKAGE_NAME munet-weights)
set(CPACK_DEBIAN_WEIGHTS_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_WEIGHTS_PACKAGE_SECTION non-free/video)
set(CPACK_COMPONENT_WEIGHTS_DESCRIPTION "video object segmentation: trained weights
 For non-commercial use only; see MODEL_CARD.md.")
include(CPack)
