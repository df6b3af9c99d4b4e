{
  'targets': [
    {
      'target_name': 'keelson',
      'conditions': [
        ['OS == "linux"', {
          'sources': [
            'addon.cc',
            'core/crc32c.cc',
            'core/direct_file.cc',
            'core/ring_writes.cc',
            'core/frame_checksums.cc',
            'core/ring.cc',
          ],
          # -isystem silences warnings in foreign headers.
          'cflags_cc': [
            '-std=c++20',
            # Relative to build/, where make runs: an absolute path with a space in it would be two words.
            '-isystem <!(node -p "path.join(\'..\', path.relative(\'.\', path.dirname(require.resolve(\'node-addon-api\'))))")',
            '-isystem <(node_root_dir)/include/node',
            '-isystem <(node_root_dir)/src',
            '-isystem <(node_root_dir)/deps/uv/include',
            '-Wall',
            '-Wextra',
            '-Wunused-parameter',
            '-Werror',
            '-fvisibility=hidden',
            '-fno-exceptions',
            '-fno-rtti',
          ],
          'cflags_cc!': ['-std=gnu++17', '-fexceptions'],
          'include_dirs': ['.'],
          # SWALLOW: in a worker that is being terminated every call may fail, and nothing can be thrown. Without this
          # define, node-addon-api would then end the whole process.
          'defines': [
            'NAPI_VERSION=9',
            'NAPI_DISABLE_CPP_EXCEPTIONS',
            'NODE_ADDON_API_DISABLE_DEPRECATED',
            'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
          ],
        }, {
          'type': 'none',
        }],
      ],
    },
  ],
}
